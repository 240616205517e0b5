variable "region" {
  description = "The region, such as eu-west-1."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "The region must be spelt like eu-west-1."
  }
}

variable "name" {
  description = "What everything that is made here is called, and where its secrets lie in SSM."
  type        = string
  default     = "pulpo"
  nullable    = false
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name)) && !endswith(var.name, "-")
    error_message = "The name must have 2 to 20 of a-z, 0-9 and -, a letter first and no - at the end."
  }
  validation {
    # SSM refuses parameters below the first two, a load balancer the third, a security group the last.
    condition     = !can(regex("^(aws|ssm|internal-|sg(-|$))", var.name))
    error_message = "AWS refuses names that begin with aws, ssm, internal- or sg-."
  }
}

# How clients get in.

variable "server_name" {
  description = "The name that the certificate is for, such as queue.example.com. It need not lead anywhere: only the gateway uses it, to know whom it talks to."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.server_name))
    error_message = "The server's name must be a full one in lower case, such as queue.example.com."
  }
}

variable "certificate_arn" {
  description = "A certificate of ACM for server_name, in the same region, issued by a public authority: the gateway trusts no other."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:acm:${var.region}:[0-9]{12}:certificate/[0-9a-f-]+$", var.certificate_arn))
    error_message = "The certificate must be the ARN of one in ACM, of the same region."
  }
}

variable "cognito_domain_prefix" {
  description = "Where tokens are given out: https://PREFIX.auth.REGION.amazoncognito.com. Nobody else in the region may have it."
  type        = string
  nullable    = false
  validation {
    condition = (
      can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.cognito_domain_prefix)) &&
      !can(regex("aws|amazon|cognito", var.cognito_domain_prefix))
    )
    error_message = "The prefix must have 1 to 63 of a-z, 0-9 and -, not - at an end, and neither aws, amazon nor cognito in it."
  }
}

variable "requests_per_second" {
  description = "How many requests a second the gateway lets through, of all clients together."
  type        = number
  default     = 200
  nullable    = false
  validation {
    condition     = var.requests_per_second >= 1 && var.requests_per_second <= 10000
    error_message = "The gateway lets 1 to 10,000 requests a second through."
  }
}

variable "requests_at_once" {
  description = "How many more may come at once before the gateway answers 429."
  type        = number
  default     = 400
  nullable    = false
  validation {
    condition     = var.requests_at_once >= 1 && var.requests_at_once <= 5000 && floor(var.requests_at_once) == var.requests_at_once
    error_message = "1 to 5,000 requests may come at once."
  }
}

# What runs.

variable "release_url" {
  description = "Where the release is: a .tar.gz of this repository, over https, at an address that lasts and is no secret. `git archive --format=tar.gz --output=pulpo.tar.gz HEAD` makes one."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^https://[A-Za-z0-9._~:/?#@!$&()*+,;=%-]+$", var.release_url))
    error_message = "The release must be at an https:// address."
  }
  validation {
    # It lies in state and user data, and each new instance gets the release there.
    condition     = !can(regex("(?i)^https://[^/?#]*@|[?&](x-amz-|x-goog-)?signature=|[?&]sig=", var.release_url))
    error_message = "The address must last and be no secret: neither a presigned one nor one with a password."
  }
}

variable "release_sha256" {
  description = "The sha256 of that file; another file is not started."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.release_sha256))
    error_message = "The sha256 must have 64 of 0-9 and a-f."
  }
}

variable "instance_type" {
  description = "The machine. Its architecture must be that of the image (ami_parameter)."
  type        = string
  default     = "t4g.small"
  nullable    = false
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*[0-9][a-z-]*\\.([a-z]+|[0-9]+xlarge)$", var.instance_type))
    error_message = "The instance type must be spelt like t4g.small."
  }
  validation {
    condition     = !can(regex("^(c[134]|cc2|cg1|cr1|d2|f1|g[23]s?|h1|hi1|hs1|i[23]|m[1-4]|p[23]|r[34]|t[12]|x1e?)\\.", var.instance_type))
    error_message = "The instance must be of the Nitro system, such as t3, t4g or m7g: older ones show no volume as NVMe, by whose name the data volume is found."
  }
}

variable "ami_parameter" {
  description = "The public parameter of SSM that names the image: Amazon Linux 2023, or an Ubuntu of 24.04 or newer. Both have the SSM agent, by which one gets in."
  type        = string
  default     = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
  nullable    = false
  validation {
    condition = can(regex(
      "^/aws/service/(ami-amazon-linux-latest/al2023-ami-kernel-|canonical/ubuntu/server/(2[4-9]|[3-9][0-9])\\.(04|10)/)[A-Za-z0-9./_-]+$",
      var.ami_parameter,
    ))
    error_message = "The image must be Amazon Linux 2023 or an Ubuntu server of 24.04 or newer, by its public parameter of SSM; a minimal one has no SSM agent."
  }
}

variable "data_volume_gib" {
  description = "The size of the volume with messages, users and secrets, in GiB. Redis' file may for a while be twice as large as the messages."
  type        = number
  default     = 20
  nullable    = false
  validation {
    condition     = var.data_volume_gib >= 8 && var.data_volume_gib <= 16384 && floor(var.data_volume_gib) == var.data_volume_gib
    error_message = "The data volume must have 8 to 16,384 GiB."
  }
}

variable "snapshot_id" {
  description = "The snapshot that a new data volume is made from, or empty: an empty one. It changes nothing about a volume that is there."
  type        = string
  default     = ""
  nullable    = false
  validation {
    condition     = var.snapshot_id == "" || can(regex("^snap-[0-9a-f]{8,17}$", var.snapshot_id))
    error_message = "The snapshot must be spelt like snap-0123456789abcdef0."
  }
}

variable "vpc_cidr" {
  description = "The addresses of the network, from which four subnets are cut."
  type        = string
  default     = "10.42.0.0/20"
  nullable    = false
  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && can(regex("/(1[6-9]|2[0-4])$", var.vpc_cidr))
    error_message = "The network must be one of IPv4 between /16 and /24."
  }
  validation {
    # compose.nginx.yml has 10.213.77.0/28, and Docker takes its own from 172.17.0.0 on.
    condition     = !can(regex("^(10\\.213\\.|172\\.(1[7-9]|2[0-9]|3[01])\\.)", var.vpc_cidr))
    error_message = "The networks of the containers are in 10.213.0.0/16 and 172.17.0.0 to 172.31.255.255; choose another."
  }
}

variable "zones" {
  description = "The letters of the two availability zones; the instance is in the first. The instance type must be had there."
  type        = list(string)
  default     = ["a", "b"]
  nullable    = false
  validation {
    condition     = length(var.zones) == 2 && length(distinct(var.zones)) == 2 && alltrue([for zone in var.zones : can(regex("^[a-z]$", zone))])
    error_message = "The zones must be two different letters."
  }
}

# A Redis and a database of your own. Never kept in the state; see secrets.tf.

variable "redis_url" {
  description = "A Redis of your own, such as rediss://user:password@….cache.amazonaws.com:6379/0, or empty: the container beside the service. Servers are reached on 6379, Sentinels on 26379."
  type        = string
  default     = ""
  nullable    = false
  sensitive   = true
  ephemeral   = true
  validation {
    condition     = var.redis_url == "" || can(regex("^rediss?(\\+(sentinel|cluster))?://[^[:space:]]+$", var.redis_url))
    error_message = "The Redis must be at redis://, rediss://, or one of these with +sentinel or +cluster."
  }
}

variable "database_url" {
  description = "A PostgreSQL of your own, such as postgresql://user:password@….rds.amazonaws.com/pulpo?sslmode=require, or empty: SQLite on the data volume."
  type        = string
  default     = ""
  nullable    = false
  sensitive   = true
  ephemeral   = true
  validation {
    condition     = var.database_url == "" || can(regex("^postgresql://[^[:space:]]+$", var.database_url))
    error_message = "The database must be at postgresql://."
  }
}

variable "urls_version" {
  description = "Count it up, in terraform.tfvars, when redis_url or database_url change: Terraform does not know the values it wrote, so it writes both when this changes, and only then."
  type        = number
  default     = 1
  nullable    = false
  validation {
    condition     = var.urls_version >= 1 && floor(var.urls_version) == var.urls_version
    error_message = "The version of the URLs must be a whole number from 1 on."
  }
}

# What is watched and kept.

variable "alarm_email" {
  description = "Whom alarms are mailed to (who has to confirm it once), or empty: nobody, the topic is there to subscribe to."
  type        = string
  default     = ""
  nullable    = false
  validation {
    condition     = var.alarm_email == "" || can(regex("^[^@[:space:]]+@[^@[:space:]]+\\.[^@[:space:]]+$", var.alarm_email))
    error_message = "The address for alarms must be one of mail."
  }
}

variable "oldest_message_seconds" {
  description = "For how long the oldest ready message may wait before there is an alarm."
  type        = number
  default     = 300
  nullable    = false
  validation {
    condition     = var.oldest_message_seconds >= 60 && var.oldest_message_seconds <= 1209600
    error_message = "The oldest message may wait for 60 s to 14 days before there is an alarm."
  }
}

variable "dead_letters" {
  description = "How many dead letters there may be, in all queues, before there is an alarm."
  type        = number
  default     = 0
  nullable    = false
  validation {
    condition     = var.dead_letters >= 0 && floor(var.dead_letters) == var.dead_letters
    error_message = "The number of dead letters must be a whole number from 0 on."
  }
}

variable "log_days" {
  description = "For how many days the logs of the gateway and of the network are kept."
  type        = number
  default     = 365
  nullable    = false
  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, … days."
  }
}

variable "snapshots_kept" {
  description = "How many daily snapshots of the data volume are kept."
  type        = number
  default     = 14
  nullable    = false
  validation {
    condition     = var.snapshots_kept >= 1 && var.snapshots_kept <= 1000 && floor(var.snapshots_kept) == var.snapshots_kept
    error_message = "1 to 1,000 snapshots are kept."
  }
}

variable "protected" {
  description = "\"yes\", or \"no\" to take everything down: then the load balancer and the user pool may be deleted, and the key sooner."
  type        = string
  default     = "yes"
  nullable    = false
  validation {
    condition     = contains(["yes", "no"], var.protected)
    error_message = "It is \"yes\" or \"no\"."
  }
}
