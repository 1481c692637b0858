"""`python -m perceptlm` is `plm`."""

from perceptlm.cli.main import main

if __name__ == "__main__":
    main()
