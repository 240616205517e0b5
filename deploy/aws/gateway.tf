# The one door: it checks the token, then Pulpo checks it again, with the same issuer and the same clients.

locals {
  issuer = "https://${aws_cognito_user_pool.this.endpoint}"
  # The gateway's own limit is 30 s, and ours 29, so that the one who waits longest is Pulpo, whose `wait` is 20 s at most.
  gateway_milliseconds = 29000
}

resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_authorizer" "this" {
  api_id           = aws_apigatewayv2_api.this.id
  name             = "cognito"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]
  jwt_configuration {
    issuer   = local.issuer
    audience = local.clients # an access token of Cognito has no aud; then the gateway looks at client_id, as Pulpo does
  }
}

resource "aws_apigatewayv2_vpc_link" "this" {
  name               = var.name
  subnet_ids         = aws_subnet.private[*].id
  security_group_ids = [aws_security_group.this["gateway"].id]
}

resource "aws_apigatewayv2_integration" "this" {
  api_id               = aws_apigatewayv2_api.this.id
  integration_type     = "HTTP_PROXY"
  integration_method   = "ANY"
  integration_uri      = aws_lb_listener.this.arn
  connection_type      = "VPC_LINK"
  connection_id        = aws_apigatewayv2_vpc_link.this.id
  timeout_milliseconds = local.gateway_milliseconds
  request_parameters = {
    "overwrite:header.Host"                 = var.server_name              # nginx serves no other name
    "overwrite:header.Pulpo-Client-Address" = "$context.identity.sourceIp" # whatever a client wrote there
  }
  tls_config {
    server_name_to_verify = var.server_name
  }
}

# One route, with a token: what it may do, Pulpo knows. Scopes are not asked for here, since people's tokens have none.
resource "aws_apigatewayv2_route" "this" {
  api_id             = aws_apigatewayv2_api.this.id
  route_key          = "$default"
  target             = "integrations/${aws_apigatewayv2_integration.this.id}"
  authorization_type = "JWT"
  authorizer_id      = aws_apigatewayv2_authorizer.this.id
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true
  default_route_settings {
    throttling_rate_limit    = var.requests_per_second
    throttling_burst_limit   = var.requests_at_once
    detailed_metrics_enabled = true
  }
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.gateway.arn
    # No token, no query and no body.
    format = jsonencode({
      time              = "$context.requestTime"
      request_id        = "$context.requestId"
      address           = "$context.identity.sourceIp"
      client            = "$context.authorizer.claims.client_id"
      method            = "$context.httpMethod"
      path              = "$context.path"
      status            = "$context.status"
      bytes             = "$context.responseLength"
      milliseconds      = "$context.responseLatency"
      pulpo_status      = "$context.integration.status"
      integration_error = "$context.integrationErrorMessage"
      authorizer_error  = "$context.authorizer.error"
    })
  }
}

resource "aws_cloudwatch_log_group" "gateway" {
  name              = "/${var.name}/gateway"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.this.arn
}
