# One way in: gateway → load balancer → nginx, each on 443. Nothing is open to a network; no SSH: see SSM in the README.

locals {
  groups = {
    gateway  = "The link of the API gateway"
    balancer = "The load balancer"
    instance = "The instance, with nginx, Pulpo and its Redis"
    stores   = "For a Redis or PostgreSQL of your own: only the instance gets in"
  }
  # From, to, port.
  ways = {
    gateway_to_balancer  = { from = "gateway", to = "balancer", port = 443 }
    balancer_to_instance = { from = "balancer", to = "instance", port = 443 }
    instance_to_redis    = { from = "instance", to = "stores", port = 6379 }
    instance_to_sentinel = { from = "instance", to = "stores", port = 26379 }
    instance_to_postgres = { from = "instance", to = "stores", port = 5432 }
  }
  # Out of the instance to anywhere: packages, images, Cognito, SSM, CloudWatch; on 80 Ubuntu's packages, which are signed.
  outside_ports = [443, 80]
}

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:each is used; that of the stores is for those who bring a Redis or a database
  for_each    = local.groups
  name_prefix = "${var.name}-${each.key}-"
  description = each.value
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-${each.key}" }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each                     = local.ways
  security_group_id            = aws_security_group.this[each.value.to].id
  referenced_security_group_id = aws_security_group.this[each.value.from].id
  description                  = replace(each.key, "_", " ")
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "this" {
  for_each                     = local.ways
  security_group_id            = aws_security_group.this[each.value.from].id
  referenced_security_group_id = aws_security_group.this[each.value.to].id
  description                  = replace(each.key, "_", " ")
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "outside" {
  for_each          = toset([for port in local.outside_ports : tostring(port)])
  security_group_id = aws_security_group.this["instance"].id
  cidr_ipv4         = "0.0.0.0/0"
  description       = "packages, images and AWS"
  ip_protocol       = "tcp"
  from_port         = tonumber(each.key)
  to_port           = tonumber(each.key)
}
