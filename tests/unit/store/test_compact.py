"""Writing a database anew waits for others, and says so when they do not let go."""

from pathlib import Path

import pytest

from imm_ray.errors import ThrottledUser
from imm_ray.store import constants, migrate
from imm_ray.store.database import Database
from imm_ray.store.erasure import compact


def test_a_database_in_use_is_told_as_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'imm.db'}"
    mine, others = Database(url, busy_timeout_s=0.1), Database(url)
    migrate.upgrade(mine)
    with others.write() as tx:
        constants.secret(tx)
        with pytest.raises(ThrottledUser):
            compact.rewrite(mine, patience_s=0)
    assert compact.rewrite(mine, patience_s=0)
    mine.close()
    others.close()
