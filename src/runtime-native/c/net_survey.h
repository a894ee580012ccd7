/* What the routes of the host say: which addresses are free, and where packets may leave. */
#ifndef TSBUILD_NET_SURVEY_H
#define TSBUILD_NET_SURVEY_H

#include "net_link.h"

#define SURVEY_CANDIDATES (54 + 56)
#define SURVEY_INTERFACES_MAX 32

struct net_survey {
  /* A range that the user chose; a prefix of 0 for none. */
  struct subnet wanted;
  bool wanted_is_taken;
  bool is_taken[SURVEY_CANDIDATES];
  uint32_t interfaces[SURVEY_INTERFACES_MAX];
  size_t interface_count;
  /* Of the default route; 0 for none. */
  uint32_t way_out;
};

/* Reads all routes but those over the interface `except`. -1 with errno. */
int net_survey_take(int rt, struct subnet wanted, uint32_t except, struct net_survey *survey);

/* A range that no route has anything to do with; a prefix of 0 when there is none. */
struct subnet net_survey_choose(const struct net_survey *survey);

/* A small one (/24) beside `other`. */
struct subnet net_survey_choose_link(const struct net_survey *survey, struct subnet other);

#endif
