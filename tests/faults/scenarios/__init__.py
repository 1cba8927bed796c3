"""All scenarios. Importing this package fills the registry, in the order of the table in docs/protocol.md."""

# ruff: noqa: I001 - in the order of the table
from tests.faults.registry import SCENARIOS as SCENARIOS
from tests.faults.scenarios import crash_points as crash_points
from tests.faults.scenarios import workers as workers
from tests.faults.scenarios import zombies as zombies
from tests.faults.scenarios import clickhouse as clickhouse
from tests.faults.scenarios import refusals as refusals
from tests.faults.scenarios import restores as restores
from tests.faults.scenarios import network as network
from tests.faults.scenarios import broker as broker
from tests.faults.scenarios import recounts as recounts
from tests.faults.scenarios import floods as floods
from tests.faults.scenarios import chaos as chaos
