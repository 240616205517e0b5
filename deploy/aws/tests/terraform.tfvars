# What every test in here is told.

region                = "eu-west-1"
server_name           = "queue.example.com"
certificate_arn       = "arn:aws:acm:eu-west-1:123456789012:certificate/0a1b2c3d-0000-4000-8000-000000000000"
cognito_domain_prefix = "queue-example"
release_url           = "https://releases.example.com/pulpo.tar.gz"
release_sha256        = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
redis_url             = ""
database_url          = ""
