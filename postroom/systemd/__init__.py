"""How does postroom run under systemd? A hardened unit, and readiness told by `sd_notify`."""

import os
import socket
import sys
from pathlib import Path

UNIT = """\
[Unit]
Description=postroom {command}
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
ExecStart={program} {command} --config {config}
WorkingDirectory={folder}
Restart=on-failure
RestartSec=5s
# SIGTERM: the message in hand is finished, no new one begins; a DATA may take ten minutes.
KillSignal=SIGTERM
TimeoutStopSec=11min
DynamicUser=yes
# The same name for daemon and endpoint: they share database and spool.
User=postroom
StateDirectory=postroom
# One line a secret; `password = {{ credential = "maya" }}` in config.toml reads it.
#LoadCredentialEncrypted=maya:/etc/postroom/maya.cred
ReadWritePaths={folder}
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
ProcSubset=pid
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
# The process that reads hostile mail limits itself.
SystemCallFilter=setrlimit prlimit64
UMask=0077

[Install]
WantedBy=multi-user.target
"""


def render_unit(config: Path, command: str = "run") -> str:
    """Return a hardened systemd unit that runs this command with this configuration."""
    program = Path(sys.argv[0]).resolve()
    return UNIT.format(program=program, command=command, config=config.resolve(), folder=config.resolve().parent)


def notify(state: str) -> None:
    """Tell systemd a state such as `READY=1`; does nothing outside systemd (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    name = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(state.encode(), name)
