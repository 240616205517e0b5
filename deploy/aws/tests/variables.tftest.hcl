# Each variable refuses what cannot work, before anything is made: all that is listed must be refused.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "what_is_no_value_is_refused" {
  command = plan
  variables {
    alarm_email            = "operator"
    ami_parameter          = "ami-00000000000000000"
    cognito_domain_prefix  = "my-cognito"
    data_volume_gib        = 4
    database_url           = "sqlite:///pulpo.db"
    dead_letters           = -1
    instance_type          = "small"
    log_days               = 2
    name                   = "Pulpo"
    oldest_message_seconds = 1
    protected              = "maybe"
    redis_url              = "https://cache.example.com"
    region                 = "Ireland"
    release_sha256         = "abc"
    release_url            = "http://releases.example.com/pulpo.tar.gz"
    requests_at_once       = 1.5
    requests_per_second    = 0
    server_name            = "queue"
    snapshot_id            = "vol-0123456789abcdef0"
    snapshots_kept         = 0
    urls_version           = 0
    vpc_cidr               = "10.42.0.0/28"
    zones                  = ["a"]
  }
  expect_failures = [
    var.alarm_email,
    var.ami_parameter,
    var.cognito_domain_prefix,
    var.data_volume_gib,
    var.database_url,
    var.dead_letters,
    var.instance_type,
    var.log_days,
    var.name,
    var.oldest_message_seconds,
    var.protected,
    var.redis_url,
    var.region,
    var.release_sha256,
    var.release_url,
    var.requests_at_once,
    var.requests_per_second,
    var.server_name,
    var.snapshot_id,
    var.snapshots_kept,
    var.urls_version,
    var.vpc_cidr,
    var.zones,
  ]
}

run "what_only_looks_like_one_is_refused" {
  command = plan
  variables {
    ami_parameter         = "/aws/service/ami-amazon-linux-latest/al2023-ami-minimal-kernel-default-arm64"
    certificate_arn       = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d-0000-4000-8000-000000000000" # of another region
    cognito_domain_prefix = "-a"
    data_volume_gib       = 8.5
    name                  = "pulpo-"
    redis_url             = "redis://with space"
    release_url           = "https://releases.example.com/'; reboot" # it gets into a file that a shell reads
    server_name           = "queue.example.com/x"
    vpc_cidr              = "10.213.0.0/20" # where containers are
    zones                 = ["a", "a"]
  }
  expect_failures = [
    var.ami_parameter,
    var.certificate_arn,
    var.cognito_domain_prefix,
    var.data_volume_gib,
    var.name,
    var.redis_url,
    var.release_url,
    var.server_name,
    var.vpc_cidr,
    var.zones,
  ]
}

run "what_is_too_much_is_refused" {
  command = plan
  variables {
    cognito_domain_prefix  = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    data_volume_gib        = 16385
    log_days               = 3654
    name                   = "paaaaaaaaaaaaaaaaaaaa"
    oldest_message_seconds = 1209601
    requests_at_once       = 5001
    requests_per_second    = 10001
    snapshots_kept         = 1001
    vpc_cidr               = "10.0.0.0/15"
    zones                  = ["a", "b", "c"]
  }
  expect_failures = [
    var.cognito_domain_prefix,
    var.data_volume_gib,
    var.log_days,
    var.name,
    var.oldest_message_seconds,
    var.requests_at_once,
    var.requests_per_second,
    var.snapshots_kept,
    var.vpc_cidr,
    var.zones,
  ]
}

run "the_most_is_accepted" {
  command = plan
  variables {
    cognito_domain_prefix  = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    data_volume_gib        = 16384
    log_days               = 3653
    name                   = "paaaaaaaaaaaaaaaaaaa"
    oldest_message_seconds = 1209600
    requests_at_once       = 5000
    requests_per_second    = 10000
    snapshots_kept         = 1000
    vpc_cidr               = "10.0.0.0/16"
  }
}

run "a_name_of_aws_a_machine_without_nvme_an_old_ubuntu_and_a_presigned_address_are_refused" {
  command = plan
  variables {
    ami_parameter = "/aws/service/canonical/ubuntu/server/22.04/stable/current/arm64/hvm/ebs-gp2/ami-id"
    instance_type = "t2.small"
    name          = "aws-queue"
    release_url   = "https://bucket.s3.eu-west-1.amazonaws.com/pulpo.tar.gz?X-Amz-Expires=3600&X-Amz-Signature=00"
  }
  expect_failures = [
    var.ami_parameter,
    var.instance_type,
    var.name,
    var.release_url,
  ]
}

run "a_name_of_ssm_another_machine_without_nvme_and_an_address_with_a_password_are_refused" {
  command = plan
  variables {
    instance_type = "m4.large"
    name          = "ssm-queue"
    release_url   = "https://me:password@releases.example.com/pulpo.tar.gz"
  }
  expect_failures = [
    var.instance_type,
    var.name,
    var.release_url,
  ]
}

run "a_name_that_no_load_balancer_may_have_is_refused" {
  command = plan
  variables {
    name = "internal-queue"
  }
  expect_failures = [
    var.name,
  ]
}

run "a_name_that_no_security_group_may_have_is_refused" {
  command = plan
  variables {
    name = "sg"
  }
  expect_failures = [
    var.name,
  ]
}

run "machines_with_nvme_and_a_newer_ubuntu_are_accepted" {
  command = plan
  variables {
    ami_parameter = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
    instance_type = "m7i.large"
    name          = "internal"
    release_url   = "https://releases.example.com/pulpo.tar.gz?download=1"
  }
}
