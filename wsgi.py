"""What a WSGI server runs: wsgi:app."""

from app import create_app

app = create_app()
