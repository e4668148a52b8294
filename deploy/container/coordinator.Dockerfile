# The coordinator: one program, its C library and the authorities of the web. No shell is needed, and root is not.
# The context holds `arena`; `make images` puts it there, with a base it makes when no registry is reached.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
COPY arena /usr/local/bin/arena
# Numbers, since a base need not know names; Kubernetes asks for a number too.
USER 10003:10003
WORKDIR /tmp
ENV ARENA_STATE=/var/lib/arena
# Services, and metrics.
EXPOSE 7443 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/arena"]
CMD ["coordinator", "--config", "/etc/arena/config.toml"]
