"""What users from elsewhere may do, by the groups and scopes that their provider tells."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from app.people import ROLES, Outsider

Named = Mapping[str, tuple[str, ...]]


class Rights(msgspec.Struct, frozen=True):
    """Roles and permissions by group, and by scope. What is in neither grants nothing."""

    by_group: Named = {}
    by_scope: Named = {}

    def of(self, who: Outsider) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Their roles and their single permissions, in order and once each."""
        granted = [word for group in who.groups for word in self.by_group.get(group, ())]
        granted += [word for scope in who.scopes for word in self.by_scope.get(scope, ())]
        words = dict.fromkeys(granted)
        return tuple(word for word in words if word in ROLES), tuple(word for word in words if word not in ROLES)
