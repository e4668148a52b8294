# The worker: the program, and what it calls on the host's side of a sandbox (git, mkfs.ext4, mount).
#
# What it needs when it runs, and why:
# - The Docker socket (/var/run/docker.sock): every sandbox is a container of that engine. Whoever holds the socket is root
#   on that host, so workers get hosts of their own.
# - /var/lib/arena at the same path as on the host, shared both ways (`bind-propagation=rshared`): the engine mounts by the
#   host's paths what this process has prepared.
# - Root with CAP_SYS_ADMIN and loop devices (`--privileged`) for overlays on disks with a quota. Without these say
#   `workspaces = "volume"` under [worker]: then the socket and the group that owns it are all it needs.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
COPY arena /usr/local/bin/arena
WORKDIR /var/lib/arena
ENV ARENA_STATE=/var/lib/arena ARENA_CONFIG=/etc/arena/config.toml
EXPOSE 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/arena"]
CMD ["worker"]
