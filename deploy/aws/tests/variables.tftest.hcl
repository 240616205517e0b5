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
