// Lets library.go declare functions without a body.
