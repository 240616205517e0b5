# What moto has not: scripts/aws-test leaves it out there, and nowhere else.

resource "aws_dlm_lifecycle_policy" "this" {
  count = 0
}

resource "aws_instance" "this" {
  monitoring = false
}
