"""`python -m convatlas` is the command `convatlas`."""

from convatlas.cli.main import run

if __name__ == "__main__":
    run()
