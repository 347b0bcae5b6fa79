#!/bin/sh
# Starts the coordinator inside a Nitro enclave or a TDX domain.
#
# The hot key is made here, on first start, and is never anywhere else; what it prints is what
# `coordinator_rotate_signer` is given. In an enclave there is no network but vsock: three pipes carry the
# API, the tunnel and the way to the RPC server, and none of them is trusted (TLS ends inside).
set -eu
DATA=${PINAIVU_DATA_DIR:-/data}
mkdir -p "$DATA"
echo "signer $(pinaivu-coordinator key "$DATA/signer.json")"
if [ -e /dev/nsm ]; then
    ip link set lo up 2>/dev/null || ifconfig lo up
    socat VSOCK-LISTEN:8080,fork,reuseaddr TCP:127.0.0.1:8080 &
    socat VSOCK-LISTEN:8081,fork,reuseaddr TCP:127.0.0.1:8081 &
    # The host (CID 3) runs `vsock-proxy 8899 RPC_HOST 443`; the RPC server's name leads to this end.
    echo "127.0.0.1 ${PINAIVU_RPC_HOST:?the RPC server's name}" >> /etc/hosts
    socat TCP-LISTEN:443,fork,reuseaddr,bind=127.0.0.1 VSOCK-CONNECT:3:8899 &
fi
exec pinaivu-coordinator run --config /etc/pinaivu/coordinator.toml --log-json
