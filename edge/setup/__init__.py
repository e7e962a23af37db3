"""What is set up standing before the bin: `setup.yaml` in state_dir, over the config file, which nobody changes.

    file.py      the file, and the one before it
    commands.py  what the console asks

A service cannot write its config (docs/systemd.md), and a file that a person or a tool keeps is not rewritten by
another. So the config file stays what it is; edge/readiness.py puts the two together;
where they do not go together the config file alone holds, and the bin sorts on.
"""
