"""The version of Pulpo, said once."""

VERSION = "0.1.0"
