#!/bin/sh
# Prints secrets.template.yaml with new random values, for a first installation:
#
#     TENRUSL_WEBHOOK_SECRET_STRIPE=whsec_… ./make-secrets.sh | kubectl create -f -
#
# `create`, never `apply`: it refuses to replace an APP_KEY, without which stored payloads cannot be read. Credentials of providers
# come from the environment, under the names of docs/providers.md.
set -eu
cd "$(dirname "$0")"

sha256() { printf %s "$1" | openssl dgst -sha256 -r | cut -d ' ' -f 1; }

script=
put() { # name value; the values have no character that means something to sed or YAML
    script="${script}s|\${$1}|$2|;"
}

put APP_KEY "base64:$(openssl rand -base64 32)"
put UNUSED_APP_KEY "base64:$(openssl rand -base64 32)"
for name in ADMIN_KEY UNUSED_ADMIN_KEY OWNER_PASSWORD INGRESS_PASSWORD PROCESSOR_PASSWORD SCHEDULER_PASSWORD ADMIN_PASSWORD REDIS_PASSWORD; do
    put "$name" "$(openssl rand -hex 32)"
done
for role in VIEWER OPERATOR ADMIN; do
    key=$(openssl rand -hex 32)
    put "CRON_$role" "$key"
    put "CRON_${role}_SHA256" "$(sha256 "$key")"
done

# The last document's data: one line for each credential, in base64, since some hold several lines.
sed -e "$script" -e '/^data: {}$/d' -e '/^#/d' secrets.template.yaml
echo "data:"
env | sed -n 's/^\(TENRUSL_WEBHOOK_SECRET_[A-Z0-9_]*\|TENRUSL_PROVIDER_[A-Z0-9_]*__[A-Z0-9_]*\)=.*/\1/p' | sort | while read -r name; do
    printf '  %s: %s\n' "$name" "$(printf %s "$(printenv "$name")" | openssl base64 -A)"
done
