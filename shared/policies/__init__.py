"""Policy as code: what every resource of every layer has to be, whoever deploys it.

A rule is a function over one resource. The pack runs the rules inside Pulumi (CrossGuard), the tests run the same
functions over every layer under mocks. `exceptions.py` holds what is accepted in spite of a rule, with the reason.
"""

from shared.policies import access, conventions, databases, network, telemetry

RULES = (*network.RULES, *access.RULES, *databases.RULES, *telemetry.RULES, *conventions.RULES)
