"""A PlanetScale that fits in memory and speaks the API's HTTP: for `planetscale-exporter demo` and for the tests.

    clock = SimulatedClock()
    simulator = Simulator(clock)
    token = simulator.add_organization("acme")
    simulator.add_database("acme", "shop")
    number = simulator.add_deploy_request("acme", "shop", "long_copy", age=3600)
    app = create_app(simulator)  # serves /v1/organizations/acme/databases/shop/deploy-requests/1/operations, ...

Everything shown is a function of the clock: there is no background task, and a test moves days by `clock.advance`.
A scenario is written in the seconds that PlanetScale and Vitess really take. The clock is the time that answers carry;
a deploy request's `pace` is how many seconds of its plot pass in a second of the clock. So a copy of three days that
plays in minutes shows an ETA of minutes and time stamps that agree with the wall clock of whoever scrapes.
"""

from .clock import SimulatedClock
from .faults import Fault
from .fleets import demo_fleet, large_fleet
from .plots import Change, Scenario, Step
from .scenarios import SCENARIOS
from .server import create_app
from .simulator import Asked, Simulator
from .webhooks import Webhook, Webhooks, deliver, signature

__all__ = [
    "SCENARIOS",
    "Asked",
    "Change",
    "Fault",
    "Scenario",
    "SimulatedClock",
    "Simulator",
    "Step",
    "Webhook",
    "Webhooks",
    "create_app",
    "deliver",
    "demo_fleet",
    "large_fleet",
    "signature",
]
