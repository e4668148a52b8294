# The worker: the program, and what it calls on the host's side of a sandbox (git, mkfs.ext4, mount).
#
# What it needs when it runs, and why:
# - The Docker socket (/var/run/docker.sock): every sandbox is a container of that engine. Whoever holds the socket is root
#   on that host, so workers get hosts of their own.
# - /var/lib/arena at the same path as on the host, shared both ways (`bind-propagation=rshared`, on a mount of the host that
#   is shared, as / is under systemd): the engine mounts by the host's paths what this process has prepared.
# - Root with CAP_SYS_ADMIN, loop devices and /dev, without seccomp and AppArmor, for overlays on disks with a quota: the
#   Compose file has it all. Kubernetes has no rules for devices, so there it is `privileged`.
# - Without these say `workspaces = "volume"` under [worker]: then the socket, the state directory and no capability but
#   CAP_DAC_OVERRIDE (or the group that owns the socket) are all it needs.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
COPY arena /usr/local/bin/arena
WORKDIR /var/lib/arena
ENV ARENA_STATE=/var/lib/arena
EXPOSE 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/arena"]
CMD ["worker", "--config", "/etc/arena/config.toml"]
