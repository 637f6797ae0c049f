# Read by every shell on a node of the cluster: `ray up` puts a line for it at the end of ~/.bashrc.
export PATH="$HOME/equipose/.venv/bin:$PATH"

# Every process of the cluster asks for the token in ~/.ray/auth_token (file_mounts put it there).
export RAY_AUTH_MODE=token

# Scripts join the cluster that `ray start` started on this node. Without this they would start a Ray of their own.
export RAY_ADDRESS=auto

# Results folder of every job without --out. CHANGE: a folder that all nodes see under this name.
export EQUIPOSE_OUT=/shared/equipose
