"""The verbs of the `equipose` command, a file each. A function's signature is the verb's options."""
