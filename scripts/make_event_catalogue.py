#!/usr/bin/env python3
"""Writes crates/rules/src/catalogue/events.txt: which event names each event source has in CloudTrail.

The names of API calls come from the service models of botocore (Apache-2.0; names are facts, no text of the models is
taken). What the models do not tell is written by hand below: how CloudTrail calls a service, events that are no API
calls, names that differ from the SDK's, and which calls are data events.

Usage: python3 scripts/make_event_catalogue.py [--check]
"""

import sys
from pathlib import Path

import botocore
import botocore.loaders

OUT = Path(__file__).resolve().parent.parent / "crates/rules/src/catalogue/events.txt"
HAND = Path(__file__).resolve().parent / "event_catalogue_by_hand.txt"

# How CloudTrail calls a service where that is neither its endpoint nor its signing name. Where the documentation and
# records disagree, all names are listed.
SOURCES = {
    "apigatewaymanagementapi": ["execute-api"],
    "application-autoscaling": ["application-autoscaling", "autoscaling"],
    "autoscaling-plans": ["autoscaling-plans", "autoscaling"],
    "appstream": ["appstream"],
    "appconfigdata": ["appconfig"],
    "bedrock-agent": ["bedrock"],
    "bedrock-agent-runtime": ["bedrock"],
    "bedrock-agentcore-control": ["bedrock-agentcore"],
    "bedrock-data-automation": ["bedrock"],
    "bedrock-data-automation-runtime": ["bedrock"],
    "bedrock-runtime": ["bedrock"],
    "chime-sdk-identity": ["chime"],
    "chime-sdk-media-pipelines": ["chime"],
    "chime-sdk-meetings": ["chime"],
    "chime-sdk-messaging": ["chime"],
    "chime-sdk-voice": ["chime"],
    "cloudhsmv2": ["cloudhsm"],
    "cloudsearchdomain": ["cloudsearch"],
    "connect-contact-lens": ["connect"],
    "connectparticipant": ["connect"],
    "detective": ["detective"],
    "dynamodbstreams": ["dynamodb"],
    "ecr": ["ecr"],
    "ecr-public": ["ecr-public"],
    "forecastquery": ["forecast"],
    "iot-data": ["iotdata", "iot"],
    "iot-jobs-data": ["iotjobsdata", "iot-jobs-data", "iot"],
    "iot-managed-integrations": ["iotmanagedintegrations"],
    "iotdeviceadvisor": ["iotdeviceadvisor"],
    "iotevents-data": ["ioteventsdata", "iotevents"],
    "iotsecuretunneling": ["iotsecuredtunneling", "iot"],
    "iotwireless": ["iotwireless"],
    "ivs-realtime": ["ivs"],
    "keyspacesstreams": ["cassandra"],
    "lex-models": ["lex", "models.lex"],
    "lex-runtime": ["lex", "runtime.lex"],
    "lexv2-models": ["lex", "lexv2", "models-v2-lex"],
    "lexv2-runtime": ["lex", "lexv2", "runtime-v2-lex"],
    "mailmanager": ["ses"],
    "mediastore-data": ["mediastore"],
    "mediatailor": ["mediatailor"],
    "neptunedata": ["neptune-db"],
    "payment-cryptography": ["payment-cryptography"],
    "payment-cryptography-data": ["payment-cryptography"],
    "pinpoint-email": ["ses"],
    "pinpoint-sms-voice": ["sms-voice"],
    "pricing": ["pricing"],
    "rds-data": ["rdsdata", "rds-data"],
    "s3control": ["s3"],
    "sagemaker": ["sagemaker"],
    "sagemaker-a2i-runtime": ["sagemaker"],
    "sagemaker-edge": ["sagemaker"],
    "sagemaker-featurestore-runtime": ["sagemaker"],
    "sagemaker-metrics": ["sagemaker"],
    "sagemaker-runtime": ["sagemaker"],
    "ses": ["ses"],
    "sesv2": ["ses"],
    "signer-data": ["signer"],
    "sms-voice": ["sms-voice"],
    "sso": ["sso"],
    "sso-oidc": ["sso-oauth", "sso"],
    "timestream-query": ["timestream"],
    "timestream-write": ["timestream"],
    "wickr": ["wickr"],
}

# Verbs of calls that only read.
HEAD = """\
# The event sources of CloudTrail and the event names of each, one source a line, ".amazonaws.com" left out.
# After the source stand the resource types by which a data event is selected; without them the line is of management
# events. `*` says that the source is known to have further names. `:r` and `:w` say whether an event is read-only
# where its verb would tell it wrongly.
# Made by scripts/make_event_catalogue.py from the service models of botocore {version} (Apache-2.0) and from
# scripts/event_catalogue_by_hand.txt. Do not edit: change those.
"""


def models():
    """The names of each source by the service models."""
    loader = botocore.loaders.create_loader()
    names = {}
    for service in loader.list_available_services("service-2"):
        model = loader.load_service_model(service, "service-2")
        metadata = model["metadata"]
        sources = SOURCES.get(service)
        if sources is None:
            sources = {metadata["endpointPrefix"], metadata.get("signingName") or metadata["endpointPrefix"]}
        for source in sources:
            names.setdefault(source.lower(), set()).update(model["operations"])
    return names


def by_hand():
    """Lines of the list by hand: (source, resource types, names), and the names that are not recorded."""
    lines, never = [], {}
    for number, line in enumerate(HAND.read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        head, colon, names = line.partition(": ")
        if not colon:
            sys.exit(f"{HAND}:{number}: no colon")
        source, _, types = head.partition(" ")
        if source.startswith("-"):
            never.setdefault(source[1:], set()).update(names.split())
            continue
        lines.append((source, types.strip(), names.split()))
    return lines, never


def text():
    management = models()
    lines, never = by_hand()
    data, flags = {}, {}
    for source, types, names in lines:
        if types == "both":
            # Recorded as management events by some, as data events by others: the next line of the source has the types.
            continue
        for name in names:
            bare, _, flag = name.partition(":")
            if flag:
                flags[source, bare] = flag
            if types:
                data.setdefault((source, types), set()).add(bare)
            else:
                management.setdefault(source, set()).add(bare)
    both = {(source, name) for source, types, names in lines if types == "both" for name in names}
    for (source, _), names in data.items():
        known = management.get(source, set())
        known -= {name for name in names if (source, name) not in both}
    for source, names in never.items():
        management[source] -= names
    rows = {(source, ""): names for source, names in management.items()}
    rows.update(data)
    out = HEAD.format(version=botocore.__version__)
    for (source, types), names in sorted(rows.items()):
        shown = []
        for name in sorted(names, key=lambda name: (name.lower(), name)):
            flag = flags.get((source, name))
            shown.append(f"{name}:{flag}" if flag else name)
        if shown:
            out += f"{source}{' ' + types if types else ''}: {' '.join(shown)}\n"
    return out


def main():
    new = text()
    if "--check" in sys.argv[1:]:
        if OUT.read_text() != new:
            sys.exit(f"{OUT} is not what this script writes")
        return
    OUT.write_text(new)
    print(f"{OUT}: {len(new)} bytes, {new.count(chr(10))} lines")


if __name__ == "__main__":
    main()
