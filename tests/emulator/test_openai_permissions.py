import pytest

from finetuner.emulator.openai_permissions import Permissions
from finetuner.emulator.routing import RefusedError
from finetuner.testing import FakeClock


def test_permissions_are_granted_once_listed_by_checkpoint_and_revoked(tmp_path):
    permissions = Permissions(tmp_path / "permissions.json", FakeClock())
    first = permissions.grant("ft:a", ["p1", "p2", "p1"])
    assert sorted(each.project_id for each in first) == ["p1", "p2"]
    assert {each.id for each in permissions.grant("ft:a", ["p1"])} <= {each.id for each in first}
    assert permissions.of("ft:b") == []
    permissions.revoke("ft:a", first[0].id)
    assert len(Permissions(tmp_path / "permissions.json", FakeClock()).of("ft:a")) == 1
    with pytest.raises(RefusedError):
        permissions.revoke("ft:a", first[0].id)
