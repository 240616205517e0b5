# A snapshot of the data volume each day. Redis and SQLite come up from one as after a power cut.

resource "aws_dlm_lifecycle_policy" "this" {
  description        = "Daily snapshots of the data volume of ${var.name}"
  execution_role_arn = aws_iam_role.backups.arn
  policy_details {
    resource_types = ["VOLUME"]
    target_tags    = { Backup = var.name }
    schedule {
      name = "daily"
      create_rule {
        interval      = 24
        interval_unit = "HOURS"
        times         = ["03:00"]
      }
      retain_rule {
        count = var.snapshots_kept
      }
      copy_tags = true
    }
  }
}

resource "aws_iam_role" "backups" {
  name_prefix = "${var.name}-backups-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "dlm.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.this.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "backups" {
  name = "snapshots"
  role = aws_iam_role.backups.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Look"
        Effect   = "Allow"
        Action   = ["ec2:DescribeInstances", "ec2:DescribeVolumes", "ec2:DescribeSnapshots"]
        Resource = "*" # these actions know no resource
      },
      {
        Sid      = "Make"
        Effect   = "Allow"
        Action   = "ec2:CreateSnapshot"
        Resource = [aws_ebs_volume.data.arn, local.snapshots]
      },
      {
        Sid      = "Name"
        Effect   = "Allow"
        Action   = "ec2:CreateTags"
        Resource = local.snapshots
      },
      {
        Sid       = "DropItsOwn"
        Effect    = "Allow"
        Action    = "ec2:DeleteSnapshot"
        Resource  = local.snapshots
        Condition = { StringLike = { "aws:ResourceTag/dlm:managed" = "true" } }
      },
    ]
  })
}

locals {
  snapshots = "arn:${data.aws_partition.this.partition}:ec2:${var.region}::snapshot/*"
}
