# One target for each program. They share every layer of the base, and each adds only its own bundle: the sidecar, which
# runs in everybody's pods, does not carry the operator's code, and users, entry points and sizes stay apart.
# `npm run build` has put everything into dist/, so this needs no network. BASE is anything with Node 24 in its PATH at
# /usr/local/bin; where no registry can be reached, scripts/images/base.ts makes one of the same shape.
ARG BASE=node:24-bookworm-slim

FROM ${BASE} AS operator
COPY dist/operator/ /opt/sshaccess/operator/
ENV NODE_ENV=production
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/node", "/opt/sshaccess/operator/main.mjs"]

FROM ${BASE} AS webhook
COPY dist/webhook/ /opt/sshaccess/webhook/
ENV NODE_ENV=production
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/node", "/opt/sshaccess/webhook/main.mjs"]

FROM ${BASE} AS piper
COPY dist/piper/ /opt/sshaccess/piper/
ENV NODE_ENV=production
USER 65532:65532
# Thousands of sessions live long, and their handshakes leave young garbage: V8 would let 48 MiB of it pile up.
ENTRYPOINT ["/usr/local/bin/node", "--max-semi-space-size=4", "/opt/sshaccess/piper/main.mjs"]

# No USER: the webhook decides in each pod which uid the level of Pod Security there lets the sidecar have.
FROM ${BASE} AS sidecar
COPY dist/tools/ /opt/sshaccess/
COPY dist/sidecar/ /opt/sshaccess/sidecar/
ENV NODE_ENV=production
ENTRYPOINT ["/usr/local/bin/node", "--no-maglev", "--disable-sigusr1", "/opt/sshaccess/sidecar/main.cjs"]
