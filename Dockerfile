# Gantry and what it needs, of packages of Debian and npm alone. Targets:
#   engine              a whole engine in one container, where one would take docker:dind (the default)
#   services            the five services and the migrations; the command says which (docker-compose.dev.yml)
#   postgres, redis     the databases of docker-compose.dev.yml
# Where Docker Hub is out of reach: mmdebstrap --variant=minbase trixie - | docker import - debian:trixie-slim
ARG DEBIAN=debian:trixie-slim

FROM $DEBIAN AS build
RUN apt-get update && apt-get install -y --no-install-recommends nodejs ca-certificates
# Debian's npm is four hundred packages.
ADD --checksum=sha256:9f58bff01604cb1b14008fef14dceb14d836a49225e45c6c2e37de3be3e707f0 https://registry.npmjs.org/npm/-/npm-11.19.1.tgz /tmp/npm.tgz
RUN mkdir /npm && tar -C /npm --strip-components=1 -xzf /tmp/npm.tgz && ln -s /npm/bin/npm-cli.js /usr/local/bin/npm
WORKDIR /gantry
COPY . .
# Prisma's generator asks for an engine that it does not use: any program satisfies it, and nothing is downloaded.
ENV PRISMA_SCHEMA_ENGINE_BINARY=/bin/true TURBO_TELEMETRY_DISABLED=1
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund && npm run build
RUN node --input-type=module -e "import('/gantry/scripts/install/release.mjs').then(({ makeRelease }) => makeRelease('/release'))" \
  && mv /release/* /release/gantry

FROM $DEBIAN AS services
RUN apt-get update \
  && apt-get install -y --no-install-recommends \
    nodejs crun runc conmon iproute2 nftables libnftables1 libseccomp2 tini procps isal apparmor \
  && rm -rf /var/lib/apt/lists/*
COPY --from=build /release/gantry /gantry
WORKDIR /gantry

FROM $DEBIAN AS postgres
RUN apt-get update \
  && apt-get install -y --no-install-recommends postgresql-common \
  && echo 'create_main_cluster = false' >>/etc/postgresql-common/createcluster.conf \
  && apt-get install -y --no-install-recommends postgresql \
  && rm -rf /var/lib/apt/lists/* \
  && ln -s /usr/lib/postgresql/*/bin /usr/lib/postgresql/bin \
  && install -d -o postgres -g postgres /data
ENV PATH=/usr/lib/postgresql/bin:$PATH
USER postgres
VOLUME /data
# Whoever reaches the port is let in: it is published nowhere.
CMD ["sh", "-c", "test -s /data/PG_VERSION || initdb --auth=trust --encoding=UTF8 --pgdata=/data && echo 'host all all all trust' >>/data/pg_hba.conf; exec postgres -D /data -c listen_addresses='*'"]
STOPSIGNAL SIGINT

FROM $DEBIAN AS redis
RUN apt-get update \
  && apt-get install -y --no-install-recommends redis-server \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o redis -g redis /data
WORKDIR /data
USER redis
VOLUME /data
CMD ["redis-server", "--protected-mode", "no", "--appendonly", "yes", "--maxmemory-policy", "noeviction"]

FROM services AS engine
COPY --from=postgres /etc/postgresql-common/createcluster.conf /etc/postgresql-common/
RUN apt-get update \
  && apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold postgresql redis-server docker-cli \
  && rm -rf /var/lib/apt/lists/*
ENV GANTRY_NO_INSTALL=1 GANTRY_HOSTS=unix:///run/gantry/docker.sock,unix:///run/docker.sock
# Not on overlayfs.
VOLUME /var/lib/gantry
ENTRYPOINT ["node", "scripts/start.mjs"]
