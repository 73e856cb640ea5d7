# Its ENTRYPOINT is a small server in shell; `command` in iterapp.toml is what it gets as arguments.
FROM busybox AS base
COPY src/serve /usr/bin/serve

FROM base AS production
ARG GREETING
ENV GREETING=$GREETING
EXPOSE 8080
ENTRYPOINT ["/usr/bin/serve"]

FROM base AS unused
RUN false
