"""States in words."""

import pytest

from exporter.planetscale.models import DeploymentState, OperationState
from exporter.web.states import DEPLOYMENTS, GROUP_TONES, OPERATIONS, Group, meaning


def test_every_state_has_words_of_its_own() -> None:
    """No state of the API is without words, and the API's own names are not among them."""
    assert set(DEPLOYMENTS) == set(DeploymentState)
    assert set(OPERATIONS) == set(OperationState)
    assert all(means.words and "_" not in means.words for means in DEPLOYMENTS.values())
    assert set(GROUP_TONES) == set(Group)


@pytest.mark.parametrize("state", DeploymentState)
def test_sections_agree_with_what_the_models_say_of_a_state(state: DeploymentState) -> None:
    """What is failed is shown as wrong, and what is finished well is shown as finished."""
    group = meaning(state, auto_cutover=None).group
    assert (group is Group.WRONG) == (state.is_failed or state is DeploymentState.ERROR)
    assert (group is Group.FINISHED) == (state.is_finished and state is not DeploymentState.ERROR)


@pytest.mark.parametrize(
    ("auto_cutover", "group", "text"),
    [
        (False, Group.PERSON, "waiting for someone to cut over"),
        (True, Group.RUNNING, "about to cut over by itself"),
        (None, Group.RUNNING, "ready to cut over"),
    ],
)
def test_a_cutover_waits_for_a_person_only_where_the_api_says_so(
    auto_cutover: bool | None, group: Group, text: str
) -> None:
    """Whether someone must act is told by `auto_cutover`, and not guessed where that is missing."""
    assert meaning(DeploymentState.PENDING_CUTOVER, auto_cutover) == (group, text)
