"""`python -m convatlas` is the command `convatlas`."""

from convatlas_command import run

if __name__ == "__main__":
    run()
