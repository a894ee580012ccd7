/*
 * Values of a config.json, taken with the type that they must have. Each reader leaves *out alone when there is no such
 * member, and names the member in its error when it is wrong. What is missing but needed is `oci_missing`.
 */
#ifndef TSBUILD_OCI_READ_H
#define TSBUILD_OCI_READ_H

#include "error.h"
#include "json.h"
#include "spec.h"

#define OCI_COUNT(array) (sizeof array / sizeof array[0])

/* Fails because of `value`. */
int oci_reject(struct error *error, const struct json *value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int oci_missing(struct error *error, const struct json *object, const char *name);

int oci_object(const struct json *object, const char *name, const struct json **out, struct error *error);
int oci_array(const struct json *object, const char *name, const struct json **out, struct error *error);
int oci_string(const struct json *object, const char *name, const char **out, struct error *error);
/* One that starts with a slash. */
int oci_absolute(const struct json *object, const char *name, const char **out, struct error *error);
int oci_bool(const struct json *object, const char *name, bool *out, struct error *error);
int oci_number(const struct json *object, const char *name, int64_t lowest, int64_t highest, int64_t *out,
               struct error *error);
int oci_id(const struct json *object, const char *name, uint32_t *out, struct error *error);
/* An array of strings. */
int oci_strings(const struct json *object, const char *name, struct string_list *out, struct error *error);
/* The string that an item of an array must be; NULL with `error` filled. */
const char *oci_item(const struct json *item, struct error *error);

/* Fails for a member of these names that asks for anything: what is not supported is not passed over. */
int oci_unsupported(const struct json *object, const char *const *names, size_t count, struct error *error);

#endif
