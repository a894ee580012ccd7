/* Programs that a config.json wants run at certain points of a container's life. */
#ifndef TSBUILD_HOOKS_H
#define TSBUILD_HOOKS_H

#include "error.h"
#include "spec.h"

/* Runs them one after the other with `state` on their stdin; -1 for the first that fails or takes too long. */
int hooks_run(const struct hook_list *hooks, const char *state, struct error *error);

/* Whether any of the kinds from `first` to `last` has one. */
bool hooks_any(const struct container_spec *spec, enum hook_kind first, enum hook_kind last);

#endif
