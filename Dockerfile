# One image for the five services and for the migrations; the command says which (docker-compose.dev.yml).
FROM node:20-bookworm AS build
WORKDIR /gantry
COPY . .
# Prisma's generator asks for an engine that it does not use: any program satisfies it, and nothing is downloaded.
ENV PRISMA_SCHEMA_ENGINE_BINARY=/bin/true TURBO_TELEMETRY_DISABLED=1
RUN npm ci --no-audit --no-fund && npm run build
RUN npm prune --omit=dev --no-audit --no-fund

FROM node:20-bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends \
    crun runc conmon iproute2 nftables libnftables1 libseccomp2 tini procps isal \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /gantry
COPY --from=build /gantry/package.json ./
COPY --from=build /gantry/node_modules ./node_modules
COPY --from=build /gantry/packages ./packages
COPY --from=build /gantry/proto ./proto
COPY --from=build /gantry/apps ./apps
COPY --from=build /gantry/scripts ./scripts
