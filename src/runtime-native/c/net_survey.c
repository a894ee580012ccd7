#include "net_survey.h"

struct survey_context {
  struct net_survey *survey;
  uint32_t except;
};

/* 10.201.0.0/16 to 10.254.0.0/16, then 192.168.200.0/24 to 192.168.255.0/24: ranges that other software does not start with. */
static struct subnet candidate(size_t i) {
  if (i < 54)
    return (struct subnet){.address = UINT32_C(0x0a000000) | (201 + (uint32_t)i) << 16, .prefix = 16};
  return (struct subnet){.address = UINT32_C(0xc0a80000) | (200 + (uint32_t)i - 54) << 8, .prefix = 24};
}

static void add_interface(struct net_survey *survey, uint32_t interface) {
  for (size_t i = 0; i < survey->interface_count; i++) {
    if (survey->interfaces[i] == interface)
      return;
  }
  if (survey->interface_count < SURVEY_INTERFACES_MAX)
    survey->interfaces[survey->interface_count++] = interface;
}

static void take_route(void *context, const struct route *route) {
  const struct survey_context *of = context;
  struct net_survey *survey = of->survey;
  if (route->interface != 0 && route->interface == of->except)
    return;
  if (route->is_unicast && route->interface != 0)
    add_interface(survey, route->interface);
  if (route->to.prefix == 0) {
    if (route->is_unicast && survey->way_out == 0)
      survey->way_out = route->interface;
    return;
  }
  if (survey->wanted.prefix != 0 && subnet_overlaps(survey->wanted, route->to))
    survey->wanted_is_taken = true;
  for (size_t i = 0; i < SURVEY_CANDIDATES; i++)
    survey->is_taken[i] = survey->is_taken[i] || subnet_overlaps(candidate(i), route->to);
}

int net_survey_take(int rt, struct subnet wanted, uint32_t except, struct net_survey *survey) {
  struct survey_context context = {.survey = survey, .except = except};
  *survey = (struct net_survey){.wanted = wanted};
  return route_list(rt, take_route, &context);
}

struct subnet net_survey_choose(const struct net_survey *survey) {
  if (survey->wanted.prefix != 0 && !survey->wanted_is_taken)
    return survey->wanted;
  for (size_t i = 0; survey->wanted.prefix == 0 && i < SURVEY_CANDIDATES; i++) {
    if (!survey->is_taken[i])
      return candidate(i);
  }
  return (struct subnet){0};
}

struct subnet net_survey_choose_link(const struct net_survey *survey, struct subnet other) {
  for (size_t i = SURVEY_CANDIDATES; i-- > 0;) {
    if (!survey->is_taken[i] && candidate(i).prefix == 24 && !subnet_overlaps(candidate(i), other))
      return candidate(i);
  }
  return (struct subnet){0};
}
