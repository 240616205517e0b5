# The gateway and the service look for the same tokens; what waits longest is Pulpo; figures and alarms have the same names.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "the_service_is_told_the_authorizers_issuer_and_clients" {
  assert {
    # As app/providers/cognito.py puts the issuer together.
    condition = aws_apigatewayv2_authorizer.this.jwt_configuration[0].issuer == join("", [
      "https://cognito-idp.", split("_", output.service_settings.PULPO_COGNITO_POOL)[0], ".amazonaws.com/", output.service_settings.PULPO_COGNITO_POOL,
    ])
    error_message = "One issuer for both."
  }
  assert {
    condition     = aws_apigatewayv2_authorizer.this.jwt_configuration[0].audience == toset(split(",", output.service_settings.PULPO_IDENTITY_CLIENTS))
    error_message = "The same clients for both."
  }
  assert {
    condition     = split(",", output.service_settings.PULPO_IDENTITY_CLIENTS)[0] == aws_cognito_user_pool_client.people.id
    error_message = "The first client is the one for logins, which has no secret."
  }
  assert {
    condition = alltrue([
      for name, value in output.service_settings : strcontains(
        one([for file in jsondecode(trimprefix(aws_instance.this.user_data, "#cloud-config\n")).write_files : file.content if file.path == "/etc/pulpo/pulpo.env"]),
        "${name}=${value}\n",
      )
    ])
    error_message = "What is put out as the service's settings is what user data gives it."
  }
}

run "scopes_and_groups_are_worth_something" {
  assert {
    condition = toset(keys(jsondecode(output.service_settings.PULPO_IDENTITY_SCOPES))) == toset([
      for scope in aws_cognito_resource_server.this.scope : "${aws_cognito_resource_server.this.identifier}/${scope.scope_name}"
    ])
    error_message = "Pulpo knows each scope of the resource server, and no other."
  }
  assert {
    condition = toset(keys(jsondecode(output.service_settings.PULPO_IDENTITY_GROUPS))) == toset([
      for group in aws_cognito_user_group.this : group.name
    ])
    error_message = "Pulpo knows each group of the pool, and no other."
  }
  assert {
    condition     = aws_cognito_user_pool_client.machine.allowed_oauth_scopes == toset(["pulpo/push", "pulpo/pop"])
    error_message = "The machine may push and pop."
  }
  assert {
    condition     = aws_cognito_user_pool_client.machine.allowed_oauth_flows == toset(["client_credentials"])
    error_message = "The machine has its own credentials, and nobody logs in by its client."
  }
}

run "nothing_gets_past_the_authorizer" {
  assert {
    condition = (
      aws_apigatewayv2_route.this.route_key == "$default" && aws_apigatewayv2_route.this.authorization_type == "JWT" &&
      aws_apigatewayv2_route.this.authorizer_id == aws_apigatewayv2_authorizer.this.id
    )
    error_message = "The one route asks for a token."
  }
  assert {
    condition     = aws_apigatewayv2_authorizer.this.identity_sources == toset(["$request.header.Authorization"])
    error_message = "The token is where Pulpo looks for it."
  }
  assert {
    condition     = aws_apigatewayv2_integration.this.request_parameters["overwrite:header.Pulpo-Client-Address"] == "$context.identity.sourceIp"
    error_message = "What a client says of its address is overwritten."
  }
}

run "the_link_is_private_and_checks_whom_it_talks_to" {
  assert {
    condition = (
      aws_apigatewayv2_integration.this.connection_type == "VPC_LINK" &&
      aws_apigatewayv2_integration.this.integration_uri == aws_lb_listener.this.arn &&
      aws_apigatewayv2_integration.this.tls_config[0].server_name_to_verify == "queue.example.com" &&
      aws_apigatewayv2_integration.this.request_parameters["overwrite:header.Host"] == "queue.example.com"
    )
    error_message = "The link leads to the load balancer, by the name of its certificate, which is the one that nginx serves."
  }
  assert {
    condition     = aws_lb_listener.this.protocol == "HTTPS" && startswith(aws_lb_listener.this.ssl_policy, "ELBSecurityPolicy-TLS13-1-2") && aws_lb_target_group.this.protocol == "HTTPS"
    error_message = "TLS all the way."
  }
  assert {
    # https://repost.aws/knowledge-center/api-gateway-private-integration-errors
    condition     = aws_lb.this.desync_mitigation_mode == "defensive"
    error_message = "The load balancer takes what the link sends: in the strictest mode it answers 400 to each request of an HTTP API."
  }
}

run "a_poll_of_20_s_fits" {
  assert {
    condition     = aws_apigatewayv2_integration.this.timeout_milliseconds >= 26000 && aws_apigatewayv2_integration.this.timeout_milliseconds <= 29000
    error_message = "The gateway waits longer than Pulpo's longest poll, with time left for its stores, which get 5 s; and within its own limit."
  }
  assert {
    condition     = aws_lb.this.idle_timeout * 1000 > aws_apigatewayv2_integration.this.timeout_milliseconds
    error_message = "The load balancer waits longer than the gateway."
  }
}

run "requests_are_counted_and_logged_without_what_is_secret" {
  assert {
    condition     = aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit == 200 && aws_apigatewayv2_stage.this.default_route_settings[0].throttling_burst_limit == 400
    error_message = "The gateway throttles."
  }
  assert {
    condition = (
      aws_apigatewayv2_stage.this.access_log_settings[0].destination_arn == aws_cloudwatch_log_group.gateway.arn &&
      !can(regex("(?i)authorization|header|query|body|token", aws_apigatewayv2_stage.this.access_log_settings[0].format))
    )
    error_message = "The access log has no token, query or body."
  }
}

run "alarms_hear_what_the_instance_tells" {
  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      alarm.namespace == "Pulpo/pulpo" && strcontains(file("host/measure"), "\\\"${alarm.metric_name}\\\"") &&
      alarm.treat_missing_data == "breaching" && alarm.alarm_actions == toset([aws_sns_topic.alarms.arn])
    ]) && length(aws_cloudwatch_metric_alarm.this) == 2
    error_message = "Each alarm is on a figure that host/measure sends, and silence is one, too."
  }
  assert {
    condition     = strcontains(aws_instance.this.user_data, "METRICS_NAMESPACE='Pulpo/pulpo'") && strcontains(aws_iam_role_policy.instance.policy, "{\"cloudwatch:namespace\":\"Pulpo/pulpo\"}")
    error_message = "The instance sends them under the name that it may."
  }
  assert {
    condition     = length(aws_sns_topic_subscription.mail) == 0
    error_message = "Nobody is mailed unless it is said who."
  }
}

run "alarms_are_mailed" {
  variables {
    alarm_email = "operator@example.com"
  }
  assert {
    condition     = aws_sns_topic_subscription.mail[0].endpoint == "operator@example.com"
    error_message = "The operator is mailed."
  }
}

run "the_data_volume_is_backed_up_daily" {
  assert {
    condition     = aws_dlm_lifecycle_policy.this.policy_details[0].target_tags["Backup"] == aws_ebs_volume.data.tags["Backup"] && !contains(keys(aws_instance.this.tags), "Backup")
    error_message = "The policy finds the data volume by its tag."
  }
  assert {
    condition     = aws_dlm_lifecycle_policy.this.policy_details[0].schedule[0].create_rule[0].interval == 24 && aws_dlm_lifecycle_policy.this.policy_details[0].schedule[0].retain_rule[0].count == 14
    error_message = "Daily, and two weeks of them."
  }
  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.backups.policy).Statement : statement.Sid => [statement.Resource, keys(statement)]
      if statement.Sid == "Name"
    } == { Name = ["arn:aws:ec2:eu-west-1::snapshot/*", ["Action", "Effect", "Resource", "Sid"]] }
    error_message = "It may tag any snapshot, at whatever moment, as AWS' own role for it: without its tags it would not find them again."
  }
}
