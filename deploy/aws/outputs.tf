output "url" {
  description = "Where the API is."
  value       = aws_apigatewayv2_api.this.api_endpoint
}

output "token_url" {
  description = "Where machines get tokens."
  value       = "https://${aws_cognito_user_pool_domain.this.domain}.auth.${var.region}.amazoncognito.com/oauth2/token"
}

output "service_settings" {
  description = "What Pulpo is told, beside its secrets."
  value       = local.service_settings
}

output "stores_security_group" {
  description = "Give it to a Redis (6379, Sentinels 26379) or PostgreSQL (5432) of your own: it lets the instance in."
  value       = aws_security_group.this["stores"].id
}

output "alarms_topic" {
  description = "Where alarms go."
  value       = aws_sns_topic.alarms.arn
}

output "next" {
  description = "What to do now."
  value       = <<-END
    # A token for the machine, then push and pop:
    CLIENT=${aws_cognito_user_pool_client.machine.id}
    SECRET=$(aws cognito-idp describe-user-pool-client --region ${var.region} --user-pool-id ${aws_cognito_user_pool.this.id} --client-id $CLIENT --query UserPoolClient.ClientSecret --output text)
    TOKEN=$(curl -fsS -u "$CLIENT:$SECRET" https://${aws_cognito_user_pool_domain.this.domain}.auth.${var.region}.amazoncognito.com/oauth2/token -d grant_type=client_credentials | sed 's/.*"access_token":"\([^"]*\).*/\1/')
    curl -sS ${aws_apigatewayv2_api.this.api_endpoint}/push -H "Authorization: Bearer $TOKEN" --json '{"message": "hello"}'
    curl -sS ${aws_apigatewayv2_api.this.api_endpoint}/pop -H "Authorization: Bearer $TOKEN" -X POST

    # The instance, and the first admin's password:
    aws ssm start-session --region ${var.region} --target ${aws_instance.this.id}
    aws ssm get-parameter --region ${var.region} --name ${local.parameters}/admin-password --with-decryption --query Parameter.Value --output text
  END
}
