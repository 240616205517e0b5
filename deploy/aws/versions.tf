terraform {
  required_version = ">= 1.11" # values that are written and never kept
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { Application = var.name }
  }
}

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
