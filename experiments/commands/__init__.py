"""The verbs of the `equipose` command. A function's signature is the verb's options."""
