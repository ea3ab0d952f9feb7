"""The local cloud: an AWS emulator and a Pulumi provider for it, in one background process per home.

With it, deploys and end-to-end tests need neither an AWS account nor Docker. Nothing is imported here, so that its
errors can be imported without its libraries.
"""
