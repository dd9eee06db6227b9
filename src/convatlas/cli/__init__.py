"""The command `convatlas`: each sub-command parses, makes one library call and prints."""
