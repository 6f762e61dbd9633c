"""What the command line does, one module a group of commands; ``cli.py`` declares them."""
