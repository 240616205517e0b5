# Between gateway and instance, inside. Without it the gateway could not reach a private address.

resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_91:only the gateway gets here, and that logs each request
  #checkov:skip=CKV2_AWS_28:only the gateway gets here, and that lets nobody through without a token
  name                       = var.name
  internal                   = true
  load_balancer_type         = "application"
  subnets                    = aws_subnet.private[*].id
  security_groups            = [aws_security_group.this["balancer"].id]
  idle_timeout               = local.balancer_seconds
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "defensive" # "strictest" answers 400 to what a VPC link sends
  enable_deletion_protection = var.protected == "yes"
}

locals {
  balancer_seconds = 60
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

# nginx' own certificate is self-signed; a load balancer does not look at it.
resource "aws_lb_target_group" "this" {
  name                 = var.name
  vpc_id               = aws_vpc.this.id
  port                 = 443
  protocol             = "HTTPS"
  deregistration_delay = local.gateway_milliseconds / 1000
  health_check {
    protocol            = "HTTPS"
    path                = "/health/live"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_target_group_attachment" "this" {
  target_group_arn = aws_lb_target_group.this.arn
  target_id        = aws_instance.this.id
}
