# The machine that runs docker-compose.yml, compose.nginx.yml and host/compose.yml. It keeps nothing: what must stay is on
# the data volume, so a change of its user data (another release, another setting) makes a new one.

locals {
  metrics_namespace = "Pulpo/${var.name}"
  instance_zone     = local.zones[0]

  # What Pulpo is told (docs/operations.md), beside its secrets.
  service_settings = {
    PULPO_IDENTITY         = "cognito"
    PULPO_COGNITO_POOL     = aws_cognito_user_pool.this.id
    PULPO_IDENTITY_CLIENTS = join(",", local.clients)
    PULPO_IDENTITY_GROUPS  = jsonencode(local.rights_of_groups)
    PULPO_IDENTITY_SCOPES  = jsonencode(local.rights_of_scopes)
    PULPO_METRICS_PUBLIC   = "true" # to the instance itself: nginx does not pass it on
  }
  # What host/start and host/measure are told.
  host_settings = {
    AWS_REGION        = var.region
    DATA_VOLUME       = aws_ebs_volume.data.id
    KMS_KEY           = aws_kms_key.this.arn
    METRICS_NAMESPACE = local.metrics_namespace
    PARAMETERS        = local.parameters
    RELEASE_SHA256    = var.release_sha256
    RELEASE_URL       = var.release_url
    SERVER_NAME       = var.server_name
    BEHIND            = var.vpc_cidr
    # The gateway lets 10 MB through; so nginx and Pulpo say the same.
    PULPO_MAX_REQUEST_BYTES = 10000000
  }

  files = [
    { path = "/etc/pulpo/pulpo.env", permissions = "0640", content = join("", [for name, value in local.service_settings : "${name}=${value}\n"]) },
    { path = "/etc/pulpo/host.env", permissions = "0640", content = join("", [for name, value in local.host_settings : "${name}='${value}'\n"]) },
    { path = "/usr/local/sbin/pulpo-start", permissions = "0755", content = file("${path.module}/host/start") },
    { path = "/usr/local/sbin/pulpo-measure", permissions = "0755", content = file("${path.module}/host/measure") },
    { path = "/etc/systemd/system/pulpo-measure.service", permissions = "0644", content = file("${path.module}/host/pulpo-measure.service") },
    { path = "/etc/systemd/system/pulpo-measure.timer", permissions = "0644", content = file("${path.module}/host/pulpo-measure.timer") },
  ]
  # JSON is YAML. cloud-init writes the files, then runs the command.
  user_data = "#cloud-config\n${jsonencode({ write_files = local.files, runcmd = [["/usr/local/sbin/pulpo-start"]] })}\n"
}

data "aws_ssm_parameter" "ami" {
  name = var.ami_parameter
}

resource "aws_instance" "this" {
  ami                         = data.aws_ssm_parameter.ami.insecure_value
  instance_type               = var.instance_type
  subnet_id                   = aws_subnet.private[0].id
  vpc_security_group_ids      = [aws_security_group.this["instance"].id]
  iam_instance_profile        = aws_iam_instance_profile.this.name
  user_data                   = local.user_data
  user_data_replace_on_change = true
  ebs_optimized               = true
  monitoring                  = true
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1 # the host itself, and no container
  }
  root_block_device {
    volume_type = "gp3"
    volume_size = 20
    encrypted   = true
    kms_key_id  = aws_kms_key.this.arn
  }
  tags = { Name = var.name }
  lifecycle {
    ignore_changes = [ami] # a newer one comes with the next release, not by itself
    precondition {
      condition     = length(local.user_data) <= 16384
      error_message = "User data may have 16 KiB."
    }
  }
  depends_on = [aws_nat_gateway.this, aws_route_table_association.private, aws_iam_role_policy.instance]
}

resource "aws_ebs_volume" "data" {
  availability_zone = local.instance_zone
  size              = var.data_volume_gib
  type              = "gp3"
  encrypted         = true
  kms_key_id        = aws_kms_key.this.arn
  snapshot_id       = var.snapshot_id == "" ? null : var.snapshot_id
  final_snapshot    = true
  tags              = { Name = "${var.name}-data", Backup = var.name }
  lifecycle {
    ignore_changes = [snapshot_id] # else the volume would go when the variable does
  }
}

resource "aws_volume_attachment" "data" {
  device_name                    = "/dev/sdf"
  volume_id                      = aws_ebs_volume.data.id
  instance_id                    = aws_instance.this.id
  stop_instance_before_detaching = true
}

resource "aws_iam_instance_profile" "this" {
  name_prefix = "${var.name}-"
  role        = aws_iam_role.instance.name
}

resource "aws_iam_role" "instance" {
  name_prefix = "${var.name}-instance-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

locals {
  parameter_arn = "arn:${data.aws_partition.this.partition}:ssm:${var.region}:${data.aws_caller_identity.this.account_id}:parameter${local.parameters}"
}

resource "aws_iam_role_policy" "instance" {
  name = "own"
  role = aws_iam_role.instance.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadItsSecrets"
        Effect   = "Allow"
        Action   = "ssm:GetParameter"
        Resource = [for name in concat(local.made_by_instance, ["redis-url", "database-url"]) : "${local.parameter_arn}/${name}"]
      },
      {
        Sid       = "MakeTwoOfThemOnce"
        Effect    = "Allow"
        Action    = "ssm:PutParameter"
        Resource  = [for name in local.made_by_instance : "${local.parameter_arn}/${name}"]
        Condition = { StringEquals = { "ssm:Overwrite" = "false" } }
      },
      {
        Sid       = "ForThat"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
        Resource  = aws_kms_key.this.arn
        Condition = { StringEquals = { "kms:ViaService" = "ssm.${var.region}.amazonaws.com" } }
      },
      {
        Sid       = "TellItsFigures"
        Effect    = "Allow"
        Action    = "cloudwatch:PutMetricData"
        Resource  = "*" # there is no narrower one; the namespace bounds it
        Condition = { StringEquals = { "cloudwatch:namespace" = local.metrics_namespace } }
      },
      {
        Sid    = "BeReachedBySessionManager"
        Effect = "Allow"
        Action = [
          "ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
          "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
        ]
        Resource = "*" # as AWS' own policy for it; these actions know no resource
      },
    ]
  })
}
