# Who may call: people in groups of a user pool, machines by the scopes of their client.

locals {
  # What groups and scopes are worth in Pulpo (roles and permissions), as it is told by local.service_settings.
  rights_of_groups = {
    queue-admins    = ["admin"]
    queue-producers = ["producer"]
    queue-consumers = ["consumer"]
    queue-viewers   = ["viewer"]
  }
  scopes = {
    push   = "Push messages and count them"
    pop    = "Pop, count and look at messages"
    manage = "Change, pause, purge and delete queues"
  }
  rights_of_scopes = {
    "${local.resource_server}/push"   = ["producer"]
    "${local.resource_server}/pop"    = ["consumer"]
    "${local.resource_server}/manage" = ["manage:*", "peek:*", "count:*"]
  }
  resource_server = var.name
  # Pulpo's own, for people, comes first; the order is that of PULPO_IDENTITY_CLIENTS.
  clients = [aws_cognito_user_pool_client.people.id, aws_cognito_user_pool_client.machine.id]
}

resource "aws_cognito_user_pool" "this" {
  name                = var.name
  deletion_protection = var.protected == "yes" ? "ACTIVE" : "INACTIVE"
  mfa_configuration   = "OPTIONAL"
  software_token_mfa_configuration {
    enabled = true
  }
  admin_create_user_config {
    allow_admin_create_user_only = true
  }
  password_policy {
    minimum_length                   = 14
    require_lowercase                = true
    require_uppercase                = true
    require_numbers                  = true
    require_symbols                  = false
    temporary_password_validity_days = 3
  }
  account_recovery_setting {
    recovery_mechanism {
      name     = "admin_only"
      priority = 1
    }
  }
}

resource "aws_cognito_user_group" "this" {
  for_each     = local.rights_of_groups
  user_pool_id = aws_cognito_user_pool.this.id
  name         = each.key
  description  = "In Pulpo: ${join(", ", each.value)}"
}

resource "aws_cognito_user_pool_domain" "this" {
  user_pool_id = aws_cognito_user_pool.this.id
  domain       = var.cognito_domain_prefix
}

resource "aws_cognito_resource_server" "this" {
  user_pool_id = aws_cognito_user_pool.this.id
  identifier   = local.resource_server
  name         = var.name
  dynamic "scope" {
    for_each = local.scopes
    content {
      scope_name        = scope.key
      scope_description = scope.value
    }
  }
}

# For people. Without a secret: a command line or a browser could not keep it.
resource "aws_cognito_user_pool_client" "people" {
  user_pool_id                  = aws_cognito_user_pool.this.id
  name                          = "${var.name}-people"
  generate_secret               = false
  explicit_auth_flows           = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
  prevent_user_existence_errors = "ENABLED"
  enable_token_revocation       = true
  access_token_validity         = 60
  id_token_validity             = 60
  refresh_token_validity        = 12
  token_validity_units {
    access_token  = "minutes"
    id_token      = "minutes"
    refresh_token = "hours"
  }
}

# For one machine, or one kind of them: copy it for others, with the scopes that they need.
resource "aws_cognito_user_pool_client" "machine" {
  user_pool_id                         = aws_cognito_user_pool.this.id
  name                                 = "${var.name}-machine"
  generate_secret                      = true
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["client_credentials"]
  allowed_oauth_scopes                 = [for scope in ["push", "pop"] : "${aws_cognito_resource_server.this.identifier}/${scope}"]
  explicit_auth_flows                  = ["ALLOW_REFRESH_TOKEN_AUTH"] # none would mean Cognito's own choice
  enable_token_revocation              = true
  access_token_validity                = 60
  token_validity_units {
    access_token = "minutes"
  }
}
