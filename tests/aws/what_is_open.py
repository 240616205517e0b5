"""Whether anything that is in AWS now, whatever made it, is open that should not be: all security groups, all routes.

Usage: .venv-identity/bin/python tests/aws/what_is_open.py   (AWS_ENDPOINT_URL: a moto with only deploy/aws in it)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import boto3  # type: ignore[import-not-found]  # only the other .venv has it

REGION = "eu-west-1"
NAME = "pulpo"
MEANT = {
    "443 in to balancer from gateway",
    "443 in to instance from balancer",
    "5432 in to stores from instance",
    "6379 in to stores from instance",
    "26379 in to stores from instance",
    "443 out of gateway to balancer",
    "443 out of balancer to instance",
    "5432 out of instance to stores",
    "6379 out of instance to stores",
    "26379 out of instance to stores",
    "80 out of instance to 0.0.0.0/0",
    "443 out of instance to 0.0.0.0/0",
}


def faults() -> Iterator[str]:
    """What is not as it is meant, a line each."""
    rules = set(rules_of_all_groups(client("ec2")))
    yield from (f"open, and not meant to be: {rule}" for rule in sorted(rules - MEANT))
    yield from (f"meant to be open, and not: {rule}" for rule in sorted(MEANT - rules))
    yield from faults_of_routes(client("apigatewayv2"), {"issuer": issuer(), "clients": clients_of_the_pool()})
    for balancer in client("elbv2").describe_load_balancers()["LoadBalancers"]:
        if balancer["Scheme"] != "internal":
            yield f"a load balancer outside: {balancer['LoadBalancerName']}"


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def rules_of_all_groups(ec2: Any) -> Iterator[str]:
    """Each rule of each group, but of the one that AWS makes with an account."""
    (vpc_of_the_account,) = (each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"] if each["IsDefault"])
    groups = ec2.get_paginator("describe_security_groups").paginate().build_full_result()["SecurityGroups"]
    names = {group["GroupId"]: name_of(group) for group in groups}
    for group in groups:
        if group["VpcId"] == vpc_of_the_account and group["GroupName"] == "default":
            continue
        name = names[group["GroupId"]]
        for rule in group["IpPermissions"]:
            yield from (f"{ports_of(rule)} in to {name} from {end}" for end in ends_of(rule, names))
        for rule in group["IpPermissionsEgress"]:
            yield from (f"{ports_of(rule)} out of {name} to {end}" for end in ends_of(rule, names))


def name_of(group: dict[str, Any]) -> str:
    tags = {tag["Key"]: tag["Value"] for tag in group.get("Tags", ())}
    return str(tags.get("Name", group["GroupName"])).removeprefix(f"{NAME}-")


def ports_of(rule: dict[str, Any]) -> str:
    first, last = rule.get("FromPort"), rule.get("ToPort")
    return str(first) if rule["IpProtocol"] == "tcp" and first == last else f"{rule['IpProtocol']} {first}-{last}"


def ends_of(rule: dict[str, Any], names: dict[str, str]) -> Iterator[str]:
    yield from (each["CidrIp"] for each in rule.get("IpRanges", ()))
    yield from (each["CidrIpv6"] for each in rule.get("Ipv6Ranges", ()))
    yield from (each["PrefixListId"] for each in rule.get("PrefixListIds", ()))
    yield from (names.get(each["GroupId"], each["GroupId"]) for each in rule.get("UserIdGroupPairs", ()))


def issuer() -> str:
    return f"https://cognito-idp.{REGION}.amazonaws.com/{the_pool()}"


def the_pool() -> str:
    (pool,) = client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]
    return str(pool["Id"])


def clients_of_the_pool() -> list[str]:
    clients = client("cognito-idp").list_user_pool_clients(UserPoolId=the_pool(), MaxResults=60)["UserPoolClients"]
    return sorted(each["ClientId"] for each in clients)


def faults_of_routes(gateway: Any, meant: dict[str, Any]) -> Iterator[str]:
    """Each route of each API asks for a token of the pool's clients."""
    routes = 0
    for api in gateway.get_apis()["Items"]:
        for route in gateway.get_routes(ApiId=api["ApiId"])["Items"]:
            routes += 1
            by = route.get("AuthorizerId")
            authorizer = gateway.get_authorizer(ApiId=api["ApiId"], AuthorizerId=by) if by else {}
            asked = authorizer.get("JwtConfiguration", {})
            tokens = {"issuer": asked.get("Issuer"), "clients": sorted(asked.get("Audience", ()))}
            if route["AuthorizationType"] != "JWT" or authorizer.get("AuthorizerType") != "JWT":
                yield f"a route that asks for no token: {route['RouteKey']}"
            elif tokens != meant:
                yield f"a route that asks for another token: {route['RouteKey']}, {tokens} instead of {meant}"
    if not routes:
        yield "there is no route"


if __name__ == "__main__":
    sys.exit("\n".join(faults()) or 0)
