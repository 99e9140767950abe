/* The least that a program of its own would take: ONNX Runtime's library, environment, session and
 * one run of eight token ids, in C and without a tokenizer. Functions are found by their places in
 * struct OrtApi, as in runtimes/onnx_c_api.py. Arguments: the library and the model. */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void **api;
#define CALL(place) ((void *(*)())api[place])
#define CHECK(status)                                                                  \
  do {                                                                                 \
    void *failed = (status);                                                           \
    if (failed) {                                                                      \
      fprintf(stderr, "%s\n", ((const char *(*)(void *))api[2])(failed));              \
      return 1;                                                                        \
    }                                                                                  \
  } while (0)

static long long now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int count, char **words) {
  void *library = count == 3 ? dlopen(words[1], RTLD_NOW) : NULL;
  if (!library) {
    fprintf(stderr, "expected ONNX Runtime's library and a model\n");
    return 2;
  }
  void **base = ((void **(*)(void))dlsym(library, "OrtGetApiBase"))();
  api = ((void **(*)(uint32_t))base[0])(17);
  void *environment, *options, *session, *memory, *value, *output = NULL;
  CHECK(CALL(3)(3, "start", &environment));
  CHECK(CALL(10)(&options));
  CHECK(CALL(24)(options, 1));
  CHECK(CALL(25)(options, 1));
  CHECK(CALL(7)(environment, words[2], options, &session));
  size_t inputs = 0;
  CHECK(CALL(30)(session, &inputs));
  int64_t ids[8] = {2, 2, 2, 2, 2, 2, 2, 2}, shape[2] = {1, 8};
  CHECK(CALL(69)(0, 0, &memory));
  CHECK(((void *(*)(void *, void *, size_t, int64_t *, size_t, int, void *))api[49])(
      memory, ids, sizeof ids, shape, 2, 7, &value));
  void *allocator;
  char *names[8], *logits;
  void *values[8];
  CHECK(CALL(78)(&allocator));
  for (size_t place = 0; place < inputs && place < 8; place++) {
    CHECK(((void *(*)(void *, size_t, void *, char **))api[36])(session, place, allocator, &names[place]));
    values[place] = value;
  }
  CHECK(((void *(*)(void *, size_t, void *, char **))api[37])(session, 0, allocator, &logits));
  CHECK(((void *(*)(void *, void *, char **, void **, size_t, char **, size_t, void **))api[9])(
      session, NULL, names, values, inputs, &logits, 1, &output));
  printf("%lld\n", now_ns());
  fflush(stdout);
  _exit(0);
}
