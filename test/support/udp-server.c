/* Answers each datagram to a port with the address that it came from. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in from, own = {.sin_family = AF_INET};
  socklen_t size = sizeof from;
  char byte;
  if (argc != 2 || fd < 0)
    return 2;
  own.sin_port = htons((unsigned short)atoi(argv[1]));
  if (bind(fd, (struct sockaddr *)&own, sizeof own) < 0)
    return 1;
  while (recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &size) >= 0) {
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &from.sin_addr, text, sizeof text);
    sendto(fd, text, strlen(text), 0, (struct sockaddr *)&from, size);
  }
  return 1;
}
