# Nothing is open that need not be, and what lies on a disk is encrypted. No AWS is asked: the provider is mocked.
# These look at the resources that they name; scripts/aws-test asks moto for all rules and routes, whatever made them.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "groups_are_closed" {
  assert {
    condition = alltrue([
      for rule in aws_vpc_security_group_ingress_rule.this : rule.cidr_ipv4 == null && rule.cidr_ipv6 == null && rule.prefix_list_id == null
    ])
    error_message = "Nobody gets in by address."
  }
  assert {
    condition = {
      for name, rule in aws_vpc_security_group_ingress_rule.this : name => [
        one([for key, group in aws_security_group.this : key if group.id == rule.security_group_id]),
        one([for key, group in aws_security_group.this : key if group.id == rule.referenced_security_group_id]),
        rule.from_port, rule.to_port, rule.ip_protocol,
      ]
      } == {
      gateway_to_balancer  = ["balancer", "gateway", 443, 443, "tcp"]
      balancer_to_instance = ["instance", "balancer", 443, 443, "tcp"]
      instance_to_redis    = ["stores", "instance", 6379, 6379, "tcp"]
      instance_to_sentinel = ["stores", "instance", 26379, 26379, "tcp"]
      instance_to_postgres = ["stores", "instance", 5432, 5432, "tcp"]
    }
    error_message = "443 to the balancer from the gateway, to the instance from the balancer, to the stores from the instance; and no more, so no SSH."
  }
  assert {
    condition = (
      alltrue([for rule in aws_vpc_security_group_egress_rule.this : rule.cidr_ipv4 == null]) &&
      alltrue([for rule in aws_vpc_security_group_egress_rule.outside : rule.security_group_id == aws_security_group.this["instance"].id])
    )
    error_message = "Only the instance gets out of the network."
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_egress_rule.outside : rule.from_port]) == toset([443, 80])
    error_message = "The instance gets out on 443 and 80 only."
  }
  assert {
    condition     = aws_instance.this.vpc_security_group_ids == toset([aws_security_group.this["instance"].id])
    error_message = "The instance is in its own group."
  }
  assert {
    condition     = aws_lb.this.security_groups == toset([aws_security_group.this["balancer"].id]) && aws_lb.this.internal
    error_message = "The load balancer is inside, in its own group."
  }
  assert {
    condition     = aws_apigatewayv2_vpc_link.this.security_group_ids == toset([aws_security_group.this["gateway"].id])
    error_message = "The gateway's link is in its own group."
  }
}

run "the_instance_is_private_and_asks_for_metadata_with_a_token" {
  assert {
    condition     = aws_instance.this.metadata_options[0].http_tokens == "required"
    error_message = "IMDSv2 is required."
  }
  assert {
    condition     = aws_instance.this.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "No container reaches the instance's credentials."
  }
  assert {
    condition     = aws_instance.this.subnet_id == aws_subnet.private[0].id
    error_message = "It is in a private subnet."
  }
  assert {
    condition     = alltrue([for subnet in concat(aws_subnet.private, aws_subnet.public) : !subnet.map_public_ip_on_launch])
    error_message = "No subnet gives public addresses."
  }
}

run "disks_secrets_logs_and_alarms_are_encrypted_with_one_key" {
  assert {
    condition     = aws_instance.this.root_block_device[0].encrypted && aws_ebs_volume.data.encrypted
    error_message = "Both disks are encrypted."
  }
  assert {
    condition = toset([
      aws_instance.this.root_block_device[0].kms_key_id, aws_ebs_volume.data.kms_key_id,
      aws_ssm_parameter.redis_url.key_id, aws_ssm_parameter.database_url.key_id,
      aws_cloudwatch_log_group.gateway.kms_key_id, aws_cloudwatch_log_group.flows.kms_key_id, aws_sns_topic.alarms.kms_master_key_id,
    ]) == toset([aws_kms_key.this.arn])
    error_message = "All is encrypted with the one key."
  }
  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "The key rotates."
  }
  assert {
    condition     = aws_ssm_parameter.redis_url.type == "SecureString" && aws_ssm_parameter.database_url.type == "SecureString"
    error_message = "URLs with passwords are SecureStrings."
  }
}

run "the_instance_may_do_what_it_needs" {
  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.instance.policy).Statement : statement.Sid => statement.Resource
      if contains(["ReadItsSecrets", "MakeTwoOfThemOnce"], statement.Sid)
      } == {
      ReadItsSecrets = [
        for name in ["admin-password", "token-secret", "redis-url", "database-url"] :
        "arn:aws:ssm:eu-west-1:123456789012:parameter/pulpo/${name}"
      ]
      MakeTwoOfThemOnce = [
        for name in ["admin-password", "token-secret"] : "arn:aws:ssm:eu-west-1:123456789012:parameter/pulpo/${name}"
      ]
    }
    error_message = "It reads its four parameters, and makes two of them."
  }
  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.instance.policy).Statement : statement.Condition if statement.Sid == "MakeTwoOfThemOnce"
    ]) == { StringEquals = { "ssm:Overwrite" = "false" } } && strcontains(file("host/start"), "\"Overwrite\": false")
    error_message = "It may overwrite none, and its call says that it does not: where a call is silent, the condition is not met."
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.instance.policy).Statement :
      statement.Resource != "*" || contains(["TellItsFigures", "BeReachedBySessionManager"], statement.Sid)
    ])
    error_message = "Only two statements are for any resource."
  }
}

run "a_redis_of_your_own_is_not_kept" {
  variables {
    redis_url    = "rediss://pulpo:the-password@cache.example.com:6379/0"
    database_url = "postgresql://pulpo:the-password@db.example.com/pulpo"
  }
  assert {
    # Not value_wo: it reads as null whatever was written.
    condition = alltrue([
      for parameter in [aws_ssm_parameter.redis_url, aws_ssm_parameter.database_url] : !strcontains(nonsensitive(parameter.value), "the-password")
    ])
    error_message = "The state has no URL."
  }
  assert {
    condition     = !strcontains(aws_instance.this.user_data, "the-password")
    error_message = "User data has no URL."
  }
}

run "it_can_be_taken_down" {
  variables {
    protected = "no"
  }
  assert {
    condition     = !aws_lb.this.enable_deletion_protection && aws_cognito_user_pool.this.deletion_protection == "INACTIVE" && aws_kms_key.this.deletion_window_in_days == 7
    error_message = "Nothing is protected any more."
  }
}

run "it_is_protected_else" {
  assert {
    condition     = aws_lb.this.enable_deletion_protection && aws_cognito_user_pool.this.deletion_protection == "ACTIVE" && aws_ebs_volume.data.final_snapshot
    error_message = "Load balancer and pool are protected, and the data volume leaves a snapshot."
  }
}
