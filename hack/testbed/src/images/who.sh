#!/bin/busybox sh
# Who answered whom: the name of this pod, and the client's address without the marks of a v6 socket.
address=${REMOTE_ADDR#\[}
address=${address%\]}
printf 'Content-Type: text/plain\r\nConnection: close\r\n\r\n'
echo "$(busybox hostname) ${address#::ffff:}"
