# What only the instance may read. The URLs are written and not kept: neither state nor plan has them. The first admin's
# password and the secret that signs tokens are made by the instance on its first start (host/start), which may write these
# two, once, and nothing else; so Terraform never sees them.

locals {
  parameters = "/${var.name}"
  # The names that host/start knows.
  made_by_instance = ["admin-password", "token-secret"]
  none             = "none" # a parameter cannot be empty
}

resource "aws_ssm_parameter" "redis_url" {
  name             = "${local.parameters}/redis-url"
  description      = "The Redis to use, or none: the container beside the service"
  type             = "SecureString"
  key_id           = aws_kms_key.this.arn
  value_wo         = var.redis_url == "" ? local.none : var.redis_url
  value_wo_version = var.urls_version
}

resource "aws_ssm_parameter" "database_url" {
  name             = "${local.parameters}/database-url"
  description      = "The database to use, or none: SQLite on the data volume"
  type             = "SecureString"
  key_id           = aws_kms_key.this.arn
  value_wo         = var.database_url == "" ? local.none : var.database_url
  value_wo_version = var.urls_version
}
